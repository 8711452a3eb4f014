select e.id as exporter_id, e.name as exporter, $2::bigint as if_index, coalesce(p.name, '') as port, p.if_type,
       case when p.speed is not null then least(p.speed, 9223372036854775807)::bigint end as speed, p.status & 1 = 1 as admin_up, p.status & 2 = 2 as oper_up, p.fcs_errors,
       case when p.octets_in is not null then least(p.octets_in, 9223372036854775807)::bigint end as octets_in,
       case when p.octets_out is not null then least(p.octets_out, 9223372036854775807)::bigint end as octets_out, p.rate, p.read_at,
       b.id as binding_id, s.id as service_id, s.name as service, lower(b.valid) as bound_since, upper(b.valid) as bound_until
from exporter e
left join port p on p.exporter_id = e.id and p.if_index = $2
left join binding b on b.exporter_id = e.id and b.if_index = $2 and b.valid @> $3::timestamptz
left join service s on s.id = b.service_id
where (e.name = $1 or e.id::text = lower($1))
  and (p.exporter_id is not null or b.id is not null
       or exists (select from port_hourly h where h.exporter_id = e.id and h.if_index = $2))
