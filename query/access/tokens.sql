select t.id, p.site, t.scopes, t.last_used_at,
    p.id as person_id, p.name, p.email, c.id as customer_id, coalesce(c.name, '') as customer_name, coalesce(m.rights, '') as rights,
    array(select distinct unnest(r.permissions) from person_role pr join role r on r.id = pr.role_id where pr.person_id = p.id) as granted,
    exists (select from totp o where o.person_id = p.id and o.confirmed_at is not null) as totp,
    (select count(*) from passkey k where k.person_id = p.id and k.cloned_at is null)::int as passkeys
from api_token t
join person p on p.id = t.person_id and p.status = 'active'
left join membership m on m.person_id = p.id and m.customer_id = t.customer_id
left join customer c on c.id = m.customer_id and c.status <> 'banned'
where t.revoked_at is null and t.expires_at > $1
