-- Where staff sit is nothing to the person as whom they look.
select id, site, case when impersonator_id is null then ip end as ip, case when impersonator_id is null then user_agent else '' end as user_agent, factors, opened_at, seen_at, expires_at, impersonator_id is not null as impersonated
from session
where person_id = $1 and ended_at is null and expires_at > $2 and seen_at + idle > $2 and ($3::uuid is null or id = $3)
order by seen_at desc, id
limit 100
