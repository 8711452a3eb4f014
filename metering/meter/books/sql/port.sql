insert into port as p (exporter_id, if_index, if_type, speed, octets_in, octets_out, read_at, rate)
select f.exporter_id, f.if_index, f.if_type, f.speed, f.octets_in, f.octets_out, f.read_at, nullif(f.rate, 0)
from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::numeric[], $5::numeric[], $6::numeric[], $7::timestamptz[], $8::bigint[])
    as f (exporter_id, if_index, if_type, speed, octets_in, octets_out, read_at, rate)
order by 1, 2
on conflict (exporter_id, if_index) do update set
    if_type = excluded.if_type, speed = excluded.speed, octets_in = excluded.octets_in, octets_out = excluded.octets_out,
    read_at = excluded.read_at, rate = coalesce(excluded.rate, p.rate)
where excluded.read_at >= p.read_at
