select id, site, ip, user_agent, factors, opened_at, seen_at, expires_at, impersonator_id is not null as impersonated
from session
where person_id = $1 and ended_at is null and expires_at > $2 and seen_at + idle > $2 and ($3::uuid is null or id = $3)
order by seen_at desc, id
limit 100
