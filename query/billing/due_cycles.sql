select count(*)::int as cycles
from cycle
where status <> 'closed' and ends_at <= $1
