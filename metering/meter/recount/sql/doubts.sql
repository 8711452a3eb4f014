-- Ports that bill a service and whose counters were silent over a span's beginning $1 for so long that a recount does not see
-- the reading before.
select e.name, p.if_index, p.gap_seconds
from port_hourly p join exporter e on e.id = p.exporter_id
where p.hour = $1::timestamptz - interval '1 hour' and p.gap_seconds >= $2
  and exists (select from binding b where b.exporter_id = p.exporter_id and b.if_index = p.if_index
              and b.valid && tstzrange($1::timestamptz - interval '1 hour', $1::timestamptz, '[]'))
order by 1, 2 limit 20
