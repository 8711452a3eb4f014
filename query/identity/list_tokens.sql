select id, name, hint, customer_id, scopes, created_at, expires_at, last_used_at
from api_token
where person_id = $1 and revoked_at is null and ($2::uuid is null or id = $2)
order by created_at desc, id
limit 200
