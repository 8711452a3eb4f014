select c.id::text as sort_key, c.id, c.created_at, c.applied_at, c.kind, c.batch, c.service_id, s.name as service, c.exporter_id, e.name as exporter, c.hour,
       c.bytes_in_l2, c.bytes_out_l2, c.bytes_in_l3, c.bytes_out_l3, c.packets_in, c.packets_out, c.samples_in, c.samples_out, c.reason
from usage_correction c
join service s on s.id = c.service_id
join exporter e on e.id = c.exporter_id
where c.created_at >= @from::timestamptz and c.created_at < @to::timestamptz
  and (@service::uuid is null or c.service_id = @service)
  and (@exporter::uuid is null or c.exporter_id = @exporter)
  and (@state::text = 'all' or (c.applied_at is not null) = (@state = 'applied'))
