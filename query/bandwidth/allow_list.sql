select pg_current_snapshot()::text, e.id, e.source
from (select) one
left join exporter e on true
order by e.id
