insert into port as p (exporter_id, if_index, if_type, speed, octets_in, octets_out, read_at, rate, status, name, fcs_errors)
select f.exporter_id, f.if_index, f.if_type, f.speed, f.octets_in, f.octets_out, f.read_at, nullif(f.rate, 0), f.status, f.name, nullif(f.fcs_errors, -1)
from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::numeric[], $5::numeric[], $6::numeric[], $7::timestamptz[], $8::bigint[], $9::smallint[],
    $10::text[], $11::bigint[])
    as f (exporter_id, if_index, if_type, speed, octets_in, octets_out, read_at, rate, status, name, fcs_errors)
order by 1, 2
on conflict (exporter_id, if_index) do update set
    if_type = excluded.if_type, speed = excluded.speed, octets_in = excluded.octets_in, octets_out = excluded.octets_out,
    read_at = excluded.read_at, rate = coalesce(excluded.rate, p.rate), status = excluded.status,
    name = case when excluded.name = '' then p.name else excluded.name end, fcs_errors = coalesce(excluded.fcs_errors, p.fcs_errors)
where excluded.read_at >= p.read_at
