with open as (
    select q.exporter_id, q.service_id, q.rate, sum(q.samples) as samples,
           sum(q.frame_length) filter (where q.direction = 'in') as frame_length_in, sum(q.frame_length) filter (where q.direction = 'out') as frame_length_out,
           sum(q.ip_length) filter (where q.direction = 'in') as ip_length_in, sum(q.ip_length) filter (where q.direction = 'out') as ip_length_out,
           count(distinct q.hour) as hours, min(q.hour) as first_hour, max(q.hour) as last_hour
    from quarantine_open q
    where q.hour >= @from::timestamptz and q.hour < @to::timestamptz
      and (@exporter::uuid is null or q.exporter_id = @exporter)
      and (@service::uuid is null or q.service_id = @service)
      and (@rate::bigint is null or q.rate = @rate)
    group by q.exporter_id, q.service_id, q.rate
), usual as (
    select distinct on (r.exporter_id) r.exporter_id, r.rate
    from (select r.exporter_id, r.rate, sum(r.samples) as samples
          from port_rate_hourly r
          join exporter e on e.id = r.exporter_id
          where r.hour >= @from and r.hour < @to and r.exporter_id in (select exporter_id from open) and r.rate between e.rate_min and e.rate_max
          group by r.exporter_id, r.rate) r
    order by r.exporter_id, r.samples desc, r.rate
)
select o.exporter_id::text || o.service_id || '/' || o.rate as sort_key,
       o.exporter_id, e.name as exporter, o.service_id, s.name as service, o.rate, e.rate_min, e.rate_max, u.rate as usual_rate,
       o.samples::bigint as samples, coalesce(o.frame_length_in, 0)::bigint as frame_length_in, coalesce(o.frame_length_out, 0)::bigint as frame_length_out,
       coalesce(o.ip_length_in, 0)::bigint as ip_length_in, coalesce(o.ip_length_out, 0)::bigint as ip_length_out,
       o.hours, o.first_hour, o.last_hour
from open o
join exporter e on e.id = o.exporter_id
join service s on s.id = o.service_id
left join usual u on u.exporter_id = o.exporter_id
