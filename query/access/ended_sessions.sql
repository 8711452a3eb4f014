select asked.id
from unnest($1::uuid[]) as asked (id)
left join session s on s.id = asked.id and s.ended_at is null and s.expires_at > $2 and s.seen_at + s.idle > $2
left join person p on p.id = s.person_id and p.status = 'active'
where p.id is null
