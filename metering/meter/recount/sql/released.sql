-- What of hours from $1 to $2 (exclusive) an operator has released from quarantine or may release: samples by exporter, hour and rate.
select q.exporter_id, q.hour, q.rate, sum(q.samples - coalesce(d.samples, 0))::bigint
from quarantine_hourly q
left join lateral (
    select sum(d.samples) as samples
    from quarantine_decision d
    where d.exporter_id = q.exporter_id and d.hour = q.hour and d.service_id = q.service_id and d.direction = q.direction and d.rate = q.rate
      and d.decision = 'rejected') d on true
where q.hour >= $1 and q.hour < $2
group by 1, 2, 3 order by 1, 2, 3
