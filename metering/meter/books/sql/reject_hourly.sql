insert into reject_hourly as r (exporter_id, hour, reason, count)
select * from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::bigint[]) order by 1, 2, 3
on conflict (exporter_id, hour, reason) do update set count = r.count + excluded.count
