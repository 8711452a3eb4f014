select to_char(q.hour, 'YYYYMMDDHH24') || q.exporter_id || q.service_id || q.direction || '/' || q.rate as sort_key,
       q.exporter_id, e.name as exporter, q.hour, q.service_id, s.name as service, q.direction, q.rate, q.samples, q.frame_length, q.ip_length,
       (q.samples - d.samples)::bigint as open_samples, (q.frame_length - d.frame_length)::bigint as open_frame_length,
       (q.ip_length - d.ip_length)::bigint as open_ip_length
from quarantine_hourly q
join exporter e on e.id = q.exporter_id
join service s on s.id = q.service_id
cross join lateral (
    select coalesce(sum(d.samples), 0) as samples, coalesce(sum(d.frame_length), 0) as frame_length, coalesce(sum(d.ip_length), 0) as ip_length
    from quarantine_decision d
    where d.exporter_id = q.exporter_id and d.hour = q.hour and d.service_id = q.service_id and d.direction = q.direction and d.rate = q.rate
) d
where q.hour >= @from::timestamptz and q.hour < @to::timestamptz
  and (@exporter::uuid is null or q.exporter_id = @exporter)
  and (@service::uuid is null or q.service_id = @service)
  and (@rate::bigint is null or q.rate = @rate)
  and (@state::text = 'all' or q.samples > d.samples)
