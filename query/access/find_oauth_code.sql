select o.grant_id, g.client_id, g.person_id, g.customer_id, g.scopes, g.proved_at, o.redirect_uri, o.challenge, o.nonce, o.created_at, o.expires_at, o.used_at,
    g.revoked_at is null and p.id is not null and (g.customer_id is null or c.id is not null) as alive
from oauth_code o
join oauth_grant g on g.id = o.grant_id
join oauth_client k on k.id = g.client_id and k.site = $1
left join person p on p.id = g.person_id and p.site = k.site and p.status = 'active'
left join membership m on m.person_id = p.id and m.customer_id = g.customer_id
left join customer c on c.id = m.customer_id and c.status <> 'banned'
where o.hash = $2
