select id, email, name, created_at,
       coalesce((select g.version from aggregate g where g.type = 'customer' and g.id = c.id), 0) as version
from customer c
where ($1::uuid is null or id = $1)
  and (email = lower($2::text) or id::text = lower($2))
limit 1
