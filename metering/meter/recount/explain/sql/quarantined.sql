-- $1 service, $2 hour.
select e.name, q.direction, q.rate, q.samples, q.frame_length
from quarantine_hourly q join exporter e on e.id = q.exporter_id
where q.service_id = $1 and q.hour = $2 order by 1, 2, 3
