-- What the relay's sessions at OpenAI have used, by user; daily budgets, and how many sessions are open at once.
--
-- Written by the relay alone, with the secret key. A user reads his own with his token.

--
-- Tables
--

create table public.relay_usage (
  id uuid primary key,
  user_id uuid not null,
  -- The client's name of its conversation; of a connection without one its own.
  session text not null check (char_length(session) between 1 and 128),
  kind text not null check (kind in ('response', 'transcription')),
  -- OpenAI's id of the response, or of the item that was transcribed.
  subject text not null check (char_length(subject) <= 256),
  model text not null check (char_length(model) <= 256),
  -- Tokens; what was cached is part of the input of the same kind.
  input_text integer not null default 0 check (input_text >= 0),
  input_audio integer not null default 0 check (input_audio >= 0),
  input_image integer not null default 0 check (input_image >= 0),
  cached_text integer not null default 0 check (cached_text >= 0),
  cached_audio integer not null default 0 check (cached_audio >= 0),
  cached_image integer not null default 0 check (cached_image >= 0),
  output_text integer not null default 0 check (output_text >= 0),
  output_audio integer not null default 0 check (output_audio >= 0),
  -- Of a transcription that is counted by its time.
  seconds double precision not null default 0 check (seconds >= 0),
  -- What it took from the budget, by the weights of that time.
  cost double precision not null check (cost >= 0),
  created_at timestamptz(3) not null default now()
);
comment on table public.relay_usage is 'What each response and each transcription of a session at OpenAI has used.';
create index relay_usage_of_user on public.relay_usage (user_id, created_at);

-- Kept in the transaction that writes the rows above, so that a budget is looked up and never summed.
create table public.relay_usage_days (
  user_id uuid not null,
  -- In UTC.
  day date not null,
  responses integer not null default 0,
  tokens bigint not null default 0,
  cost double precision not null default 0,
  primary key (user_id, day)
) with (fillfactor = 50);
comment on table public.relay_usage_days is 'What a user has used on each day (UTC), and what that cost of the budget.';

-- Only for those who may use more, or less, than the settings of the function say.
create table public.relay_budgets (
  user_id uuid primary key,
  -- Null: no limit.
  daily_budget double precision check (daily_budget >= 0),
  max_sessions integer check (max_sessions >= 0)
);
comment on table public.relay_budgets is 'What a user may use in a day and how many sessions he may have, in place of the settings.';

-- Who holds a session now. Not written ahead: after a crash leases are taken again when they are renewed.
create unlogged table edge_sockets.relay_leases (
  user_id uuid not null,
  session text not null,
  -- Of the connection that holds it.
  lease uuid not null,
  expires_at timestamptz not null,
  primary key (user_id, session)
) with (fillfactor = 50);

--
-- What the relay calls
--

create function edge_sockets.today() returns date
language sql stable
return (now() at time zone 'UTC')::date;

create function edge_sockets.lease_end(lease_ms integer) returns timestamptz
language sql volatile
return clock_timestamp() + lease_ms * interval '1 millisecond';

-- The users of these that have used up what a day allows: the budget of their own, or the settings'.
create function edge_sockets.over_budget(users uuid[], daily_budget double precision) returns setof uuid
language sql stable set search_path = '' as $$
  select u.user_id from (select distinct unnest(users) as user_id) u
    left join public.relay_budgets b on b.user_id = u.user_id
    left join public.relay_usage_days d on d.user_id = u.user_id and d.day = edge_sockets.today()
    where coalesce(d.cost, 0) >= case when b.user_id is null then over_budget.daily_budget else b.daily_budget end
$$;

-- Admits a session and holds its lease, or says why not. A session of the same name is replaced, not counted.
create function public.relay_begin_session(
  member uuid, session_name text, lease uuid, lease_ms integer, daily_budget double precision, max_sessions integer
) returns text
language plpgsql security definer set search_path = '' as $$
declare
  own public.relay_budgets;
  allowed integer := max_sessions;
begin
  perform edge_sockets.require_server();
  -- Of two sessions that begin at once only one can be the last.
  perform pg_advisory_xact_lock(hashtextextended('edge_sockets.relay_leases ' || member, 0));
  if exists (select from edge_sockets.over_budget(array[member], daily_budget)) then
    return 'budget_exceeded';
  end if;
  select * into own from public.relay_budgets b where b.user_id = member;
  if found then
    allowed := own.max_sessions;
  end if;
  delete from edge_sockets.relay_leases l where l.user_id = member and l.expires_at <= clock_timestamp();
  if (select count(*) from edge_sockets.relay_leases l where l.user_id = member and l.session <> session_name)
    >= allowed
  then
    return 'too_many_sessions';
  end if;
  insert into edge_sockets.relay_leases as held (user_id, session, lease, expires_at)
    values (member, session_name, relay_begin_session.lease, edge_sockets.lease_end(lease_ms))
    on conflict (user_id, session) do update set lease = excluded.lease, expires_at = excluded.expires_at;
  return 'admitted';
end $$;

-- Stores usage (what is there already counts once), renews leases, and gives the users in either who are over budget.
create function public.relay_record_usage(
  usage jsonb, leases jsonb, lease_ms integer, daily_budget double precision
) returns json
language plpgsql security definer set search_path = '' as $$
begin
  perform edge_sockets.require_server();
  with added as (
    insert into public.relay_usage (id, user_id, session, kind, subject, model, input_text, input_audio, input_image,
      cached_text, cached_audio, cached_image, output_text, output_audio, seconds, cost)
    select * from jsonb_to_recordset(usage) as r(id uuid, user_id uuid, session text, kind text, subject text,
      model text, input_text integer, input_audio integer, input_image integer, cached_text integer,
      cached_audio integer, cached_image integer, output_text integer, output_audio integer,
      seconds double precision, cost double precision)
    on conflict (id) do nothing
    returning *
  )
  insert into public.relay_usage_days as sums (user_id, day, responses, tokens, cost)
    select a.user_id, edge_sockets.today(), count(*) filter (where a.kind = 'response'),
      sum(a.input_text::bigint + a.input_audio + a.input_image + a.output_text + a.output_audio), sum(a.cost)
    from added a group by a.user_id order by a.user_id
    on conflict (user_id, day) do update set responses = sums.responses + excluded.responses,
      tokens = sums.tokens + excluded.tokens, cost = sums.cost + excluded.cost;
  -- Where another connection holds the session now, its lease stays.
  insert into edge_sockets.relay_leases as held (user_id, session, lease, expires_at)
    select l.member, l.session_name, l.lease, edge_sockets.lease_end(lease_ms)
    from jsonb_to_recordset(leases) as l(member uuid, session_name text, lease uuid)
    order by l.member, l.session_name
    on conflict (user_id, session) do update set expires_at = excluded.expires_at where held.lease = excluded.lease;
  return (
    select coalesce(json_agg(o), '[]') from edge_sockets.over_budget(
      array(
        select (u ->> 'user_id')::uuid from jsonb_array_elements(usage) u
        union select (l ->> 'member')::uuid from jsonb_array_elements(leases) l
      ),
      daily_budget
    ) o
  );
end $$;

create function public.relay_end_session(member uuid, session_name text, lease uuid) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform edge_sockets.require_server();
  delete from edge_sockets.relay_leases l
    where l.user_id = member and l.session = session_name and l.lease = relay_end_session.lease;
end $$;

--
-- Who may do what
--

alter table public.relay_usage enable row level security;
alter table public.relay_usage_days enable row level security;
alter table public.relay_budgets enable row level security;
alter table edge_sockets.relay_leases enable row level security;

create policy "relay_usage: one's own" on public.relay_usage for select to authenticated
  using (user_id = (select edge_sockets.user_id()));
create policy "relay_usage_days: one's own" on public.relay_usage_days for select to authenticated
  using (user_id = (select edge_sockets.user_id()));
create policy "relay_budgets: one's own" on public.relay_budgets for select to authenticated
  using (user_id = (select edge_sockets.user_id()));

-- Grants, one by one. A hosted project gives everything in public to everyone by default.
revoke all on public.relay_usage, public.relay_usage_days, public.relay_budgets
  from public, anon, authenticated, service_role;
revoke all on edge_sockets.relay_leases from public, anon, authenticated, service_role;
grant select on public.relay_usage to authenticated, service_role;
grant select on public.relay_usage_days to authenticated, service_role;
grant select on public.relay_budgets to authenticated;
grant select, insert, update, delete on public.relay_budgets to service_role;

revoke all on function edge_sockets.today() from public, anon, authenticated, service_role;
revoke all on function edge_sockets.lease_end(integer) from public, anon, authenticated, service_role;
revoke all on function edge_sockets.over_budget(uuid[], double precision)
  from public, anon, authenticated, service_role;
revoke all on function public.relay_begin_session(uuid, text, uuid, integer, double precision, integer)
  from public, anon, authenticated, service_role;
revoke all on function public.relay_record_usage(jsonb, jsonb, integer, double precision)
  from public, anon, authenticated, service_role;
revoke all on function public.relay_end_session(uuid, text, uuid) from public, anon, authenticated, service_role;
grant execute on function public.relay_begin_session(uuid, text, uuid, integer, double precision, integer)
  to service_role;
grant execute on function public.relay_record_usage(jsonb, jsonb, integer, double precision) to service_role;
grant execute on function public.relay_end_session(uuid, text, uuid) to service_role;
