select s.id, s.factors, s.opened_at, s.proved_at, s.seen_at, s.expires_at, s.impersonator_id as impersonator, s.reason, s.widened,
    p.id as person_id, p.name, p.email, c.id as customer_id, coalesce(c.name, '') as customer_name, coalesce(m.rights, '') as rights,
    array(select distinct unnest(r.permissions) from person_role pr join role r on r.id = pr.role_id where pr.person_id = p.id) as granted,
    exists (select from totp t where t.person_id = p.id and t.confirmed_at is not null) as totp,
    (select count(*) from passkey k where k.person_id = p.id and k.cloned_at is null)::int as passkeys
from session s
join person p on p.id = s.person_id and p.site = s.site and p.status = 'active'
left join membership m on m.person_id = p.id and m.customer_id = s.customer_id
left join customer c on c.id = m.customer_id and c.status <> 'banned'
where s.hash = $2 and s.site = $1 and s.ended_at is null and s.expires_at > $3 and s.seen_at + s.idle > $3
