select pg_current_snapshot()::text, e.id, e.source, e.agent
from (select) one
left join exporter e on true
order by e.id
