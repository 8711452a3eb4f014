select name, email, email_verified_at is not null as email_verified, locale, time_zone from person where site = $1 and id = $2 and status = 'active'
