select s.id, s.site, s.factors, s.opened_at, s.proved_at, s.seen_at, s.expires_at, s.impersonator_id as impersonator, coalesce(may.name, '') as impersonator_name, s.reason, s.widened and coalesce(may.write, false) as widened,
    p.id as person_id, p.name, p.email, c.id as customer_id, coalesce(c.name, '') as customer_name, coalesce(m.rights, '') as rights,
    array(select distinct unnest(r.permissions) from person_role pr join role r on r.id = pr.role_id where pr.person_id = p.id) as granted,
    exists (select from totp t where t.person_id = p.id and t.confirmed_at is not null) as totp,
    (select count(*) from passkey k where k.person_id = p.id and k.cloned_at is null)::int as passkeys
from session s
join person p on p.id = s.person_id and p.site = s.site and p.status = 'active'
left join membership m on m.person_id = p.id and m.customer_id = s.customer_id
left join customer c on c.id = m.customer_id and c.status <> 'banned'
left join lateral (
    select max(i.name) as name, coalesce(bool_or(r.permissions && '{*,impersonate}'), false) as look, coalesce(bool_or(r.permissions && '{*,customers.write}'), false) as write
    from person i join person_role ir on ir.person_id = i.id join role r on r.id = ir.role_id
    where i.id = s.impersonator_id and i.site = 'admin' and i.status = 'active'
) may on s.impersonator_id is not null
where (s.impersonator_id is null or may.look) and s.ended_at is null and s.expires_at > $1 and s.seen_at + s.idle > $1
