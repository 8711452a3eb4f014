-- $1 service, $2 hour.
select e.name, u.reason, u.bytes_in_l2, u.bytes_out_l2, u.samples_in + u.samples_out
from usage_evidence u join exporter e on e.id = u.exporter_id
where u.service_id = $1 and u.hour = $2 order by 1, 2
