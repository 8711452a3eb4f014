select id, site, name, secret_hash, redirect_uris, grants, scopes, customer_id from oauth_client where site = $1 and id = $2
