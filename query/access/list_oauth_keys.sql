select kid, sealed, public, signs_from from oauth_key where site = $1 order by signs_from
