select to_char(v.hour, 'YYYYMMDDHH24') || v.service_id || v.exporter_id || v.reason as sort_key,
       v.service_id, s.name as service, v.exporter_id, e.name as exporter, v.hour, v.reason,
       v.bytes_in_l2, v.bytes_out_l2, v.bytes_in_l3, v.bytes_out_l3, v.packets_in, v.packets_out, v.samples_in, v.samples_out,
       u.bytes_in_l2 as billed_in_l2, u.bytes_out_l2 as billed_out_l2
from usage_evidence v
join service s on s.id = v.service_id
join exporter e on e.id = v.exporter_id
cross join lateral (
    select coalesce(sum(h.bytes_in_l2), 0)::bigint as bytes_in_l2, coalesce(sum(h.bytes_out_l2), 0)::bigint as bytes_out_l2
    from usage_hourly h
    where h.service_id = v.service_id and h.hour = v.hour
) u
where v.hour >= @from::timestamptz and v.hour < @to::timestamptz
  and (@service::uuid is null or v.service_id = @service)
  and (@exporter::uuid is null or v.exporter_id = @exporter)
  and (@state::text = 'all' or v.reason = @state)
