select id, name
from exporter
where name = $1::text or id::text = lower($1)
order by name = $1 desc
limit 1
