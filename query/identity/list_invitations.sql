select id, email, rights, created_at, expires_at
from link
where customer_id = $2 and ($1::uuid is null or customer_id = $1)
  and purpose = 'invitation' and used_at is null and revoked_at is null and expires_at > $3
order by created_at desc, id
limit 100
