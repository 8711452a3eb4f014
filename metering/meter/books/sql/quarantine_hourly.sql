insert into quarantine_hourly as q (exporter_id, hour, service_id, direction, rate, samples, frame_length, ip_length)
select * from unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
order by 1, 2, 3, 4, 5
on conflict (exporter_id, hour, service_id, direction, rate) do update set
    samples = bounded_sum(q.samples, excluded.samples), frame_length = bounded_sum(q.frame_length, excluded.frame_length), ip_length = bounded_sum(q.ip_length, excluded.ip_length)
