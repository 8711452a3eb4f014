select asked.id
from unnest($1::uuid[]) as asked (id)
left join session s on s.id = asked.id and s.ended_at is null and s.expires_at > $2 and s.seen_at + s.idle > $2
left join person p on p.id = s.person_id and p.status = 'active'
where p.id is null or s.impersonator_id is not null and not exists (
    select from person i join person_role ir on ir.person_id = i.id join role r on r.id = ir.role_id
    where i.id = s.impersonator_id and i.site = 'admin' and i.status = 'active' and r.permissions && '{*,impersonate}')
