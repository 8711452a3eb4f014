select asked.id
from unnest($1::uuid[]) as asked (id)
left join session s on s.id = asked.id and s.ended_at is null and s.expires_at > $2 and s.seen_at + s.idle > $2
left join person p on p.id = s.person_id and p.status = 'active'
left join membership m on m.person_id = s.person_id and m.customer_id = s.customer_id
left join customer c on c.id = m.customer_id and c.status <> 'banned'
where p.id is null or s.customer_id is not null and c.id is null
