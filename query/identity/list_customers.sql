select id, email, name, created_at
from customer
where ($1::uuid is null or id = $1)
  and ($2::text = '' or position(lower($2) in email) > 0 or position(lower($2) in lower(name)) > 0)
  and ($3::text is null or email > $3)
order by email
limit $4
