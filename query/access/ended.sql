select asked.id
from unnest($1::uuid[]) as asked (id)
left join lateral (
    select s.person_id, s.customer_id, s.impersonator_id from session s
    where s.id = asked.id and s.ended_at is null and s.expires_at > $2 and s.seen_at + s.idle > $2
    union all
    select t.person_id, t.customer_id, null from api_token t
    where t.id = asked.id and t.revoked_at is null and t.expires_at > $2
) good on true
left join person p on p.id = good.person_id and p.status = 'active'
left join membership m on m.person_id = good.person_id and m.customer_id = good.customer_id
left join customer c on c.id = m.customer_id and c.status <> 'banned'
where p.id is null or good.customer_id is not null and c.id is null
    or good.impersonator_id is not null and not exists (
        select from person i join person_role ir on ir.person_id = i.id join role r on r.id = ir.role_id
        where i.id = good.impersonator_id and i.site = 'admin' and i.status = 'active' and r.permissions && '{*,impersonate}')
