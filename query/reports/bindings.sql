select b.id::text as sort_key, b.id, b.exporter_id, e.name as exporter, b.if_index, coalesce(p.name, '') as port, b.service_id, s.name as service,
       lower(b.valid) as since, upper(b.valid) as until
from binding b
join exporter e on e.id = b.exporter_id
join service s on s.id = b.service_id
left join port p on p.exporter_id = b.exporter_id and p.if_index = b.if_index
where b.valid && tstzrange(@from::timestamptz, @to::timestamptz)
  and (@exporter::uuid is null or b.exporter_id = @exporter)
  and (@port::bigint is null or b.if_index = @port)
  and (@service::uuid is null or b.service_id = @service)
