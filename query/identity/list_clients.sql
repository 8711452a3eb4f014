select k.id, k.site, k.name, k.redirect_uris, k.grants, k.scopes, k.customer_id, coalesce(c.name, '') as customer_name, k.public, k.created_at,
    coalesce((select a.version from aggregate a where a.type = 'client' and a.id = k.id), 0) as version,
    (select count(distinct g.person_id) from oauth_grant g where g.client_id = k.id and g.revoked_at is null and g.expires_at > $3)::int as people
from oauth_client k
left join customer c on c.id = k.customer_id
where ($1::uuid is null or k.id = $1) and ($2::text is null or (k.name, k.id::text) > ($2, $4)) order by k.name, k.id::text limit $5
