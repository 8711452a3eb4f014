select t.hash, k.site, t.request_id, t.grant_id, t.client_id, k.name as client_name, t.scopes, k.scopes as client_scopes, t.issued_at, t.expires_at, t.used_at, coalesce(g.proved_at, t.issued_at) as proved_at,
    coalesce(p.id, '00000000-0000-0000-0000-000000000000') as person_id, coalesce(p.name, '') as name, coalesce(p.email, '') as email,
    c.id as customer_id, coalesce(c.name, '') as customer_name, coalesce(m.rights, '') as rights,
    array(select distinct unnest(r.permissions) from person_role pr join role r on r.id = pr.role_id where pr.person_id = p.id) as granted,
    exists (select from totp o where o.person_id = p.id and o.confirmed_at is not null) as totp,
    (select count(*) from passkey y where y.person_id = p.id and y.cloned_at is null)::int as passkeys,
    case when t.grant_id is null then k.customer_id is not distinct from c.id and 'client_credentials' = any (k.grants)
        else g.revoked_at is null and p.id is not null and g.customer_id is not distinct from c.id end as alive
from oauth_token t
join oauth_client k on k.id = t.client_id
left join oauth_grant g on g.id = t.grant_id
left join person p on p.id = g.person_id and p.site = k.site and p.status = 'active'
left join membership m on m.person_id = p.id and m.customer_id = g.customer_id
left join customer c on c.id = coalesce(m.customer_id, case when t.grant_id is null then k.customer_id end) and c.status <> 'banned'
where t.kind = $1
