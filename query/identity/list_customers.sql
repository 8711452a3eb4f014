select id, email, name, created_at,
       coalesce((select g.version from aggregate g where g.type = 'customer' and g.id = c.id), 0) as version
from customer c
where ($1::uuid is null or id = $1)
  and ($2::text = '' or position(lower($2) in email) > 0 or position(lower($2) in lower(name)) > 0)
  and ($3::text is null or email > $3)
order by email
limit $4
