-- $1 service, $2 hour. With what has been decided about it since.
select e.name, q.direction, q.rate, q.samples, q.frame_length, coalesce(d.released, 0)::bigint, coalesce(d.rejected, 0)::bigint
from quarantine_hourly q join exporter e on e.id = q.exporter_id
left join lateral (
    select sum(samples) filter (where decision = 'released') as released, sum(samples) filter (where decision = 'rejected') as rejected
    from quarantine_decision d
    where (d.exporter_id, d.hour, d.service_id, d.direction, d.rate) = (q.exporter_id, q.hour, q.service_id, q.direction, q.rate)
) d on true
where q.service_id = $1 and q.hour = $2 order by 1, 2, 3
