-- Of every exporter that metered service $1 in hour $2.
select e.name, l.datagrams, l.datagrams_lost, l.datagrams_duplicate, l.datagrams_rejected, l.samples_lost, l.samples_dropped,
    l.kernel_drops, l.spool_drops, l.restarts
from loss_hourly l join exporter e on e.id = l.exporter_id
where l.hour = $2 and l.exporter_id in (
    select exporter_id from usage_hourly where service_id = $1 and hour = $2
    union select exporter_id from usage_evidence where service_id = $1 and hour = $2
    union select exporter_id from quarantine_hourly where service_id = $1 and hour = $2)
order by 1
