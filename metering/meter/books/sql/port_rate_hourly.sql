insert into port_rate_hourly as r (exporter_id, if_index, hour, rate, samples)
select * from unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::bigint[], $5::bigint[]) order by 1, 2, 3, 4
on conflict (exporter_id, if_index, hour, rate) do update set samples = r.samples + excluded.samples
