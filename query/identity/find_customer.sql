select id, email, name, created_at
from customer
where ($1::uuid is null or id = $1)
  and (email = lower($2::text) or id::text = lower($2))
limit 1
