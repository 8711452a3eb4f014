-- The minutes that meter $1 changed in flushes after $2, none of whose slots is older than $3; $4 and $5 are the last
-- minute and service of the page before, $6 bounds the page.
select distinct date_trunc('minute', slot, 'UTC') as minute, service_id
from usage_slot
where slot >= $3 and meter = $1 and flush > $2 and (date_trunc('minute', slot, 'UTC'), service_id) > ($4, $5)
order by 1, 2 limit $6
