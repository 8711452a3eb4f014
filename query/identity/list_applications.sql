select k.id, k.name, array(select distinct s from oauth_grant x, unnest(x.scopes) s where x.person_id = $1 and x.client_id = k.id and x.revoked_at is null and x.expires_at > $2 order by s) as scopes,
    min(g.created_at) as allowed_at, max(g.used_at) as last_used_at
from oauth_grant g
join oauth_client k on k.id = g.client_id
where g.person_id = $1 and g.revoked_at is null and g.expires_at > $2
group by k.id, k.name
order by k.name, k.id
limit 500
