-- What one user may cost the others: of rooms, memberships, writes and data; and who hears the bus.

-- How many rooms a user may be in, and into how many of them others may put him: an inbox holds all rooms of its user.
create function edge_sockets.max_rooms_per_member() returns integer language sql immutable return 2000;
create function edge_sockets.max_rooms_by_others() returns integer language sql immutable return 1000;

--
-- Data: as deep as the socket lets it be, as not every runtime can encode what is nested without end
--

create function edge_sockets.is_deep(data jsonb) returns boolean
language sql immutable
return data @? 'strict $.**{64} ? (@.type() == "array" || @.type() == "object")';

-- Rows of before are not looked at.
alter table public.messages add constraint messages_data_depth check (not edge_sockets.is_deep(data)) not valid;

--
-- Rooms: counted by who made them, as a room that was left or given away is still there
--

create table edge_sockets.room_makers (
  room_id text collate "C" primary key references public.rooms on delete cascade,
  user_id uuid not null
);
comment on table edge_sockets.room_makers is 'Who made a room. No client reads it.';
create index room_makers_of_user on edge_sockets.room_makers (user_id);
alter table edge_sockets.room_makers enable row level security;
insert into edge_sockets.room_makers (room_id, user_id)
  select distinct on (rm.room_id) rm.room_id, rm.user_id from public.room_members rm
  where rm.role = 'owner' order by rm.room_id, rm.joined_at;

create function edge_sockets.made_too_many(maker uuid) returns boolean
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
begin
  return (select count(*) from edge_sockets.room_makers rm where rm.user_id = maker)
    >= edge_sockets.max_rooms_per_owner();
end $$;

-- Whether a user is in as many rooms as he may be; for one whom somebody else adds, as he may be put into.
create function edge_sockets.is_in_too_many(member uuid, by_other boolean) returns boolean
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
declare
  most constant integer := case when by_other then edge_sockets.max_rooms_by_others()
    else edge_sockets.max_rooms_per_member() end;
begin
  return (select count(*) from public.room_members rm where rm.user_id = member) >= most;
end $$;

-- Holds for every way into a room that a user has. The server and the owner of the tables add whom they want.
create function edge_sockets.bound_memberships() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  caller constant uuid := edge_sockets.user_id();
begin
  if caller is not null
    and not exists (select from public.room_members rm where rm.room_id = new.room_id and rm.user_id = new.user_id)
    and edge_sockets.is_in_too_many(new.user_id, caller <> new.user_id)
  then
    perform edge_sockets.value_of(edge_sockets.refusal('unprocessable'));
  end if;
  return new;
end $$;
create trigger bound_memberships before insert on public.room_members
  for each row execute function edge_sockets.bound_memberships();

-- As before, but that who does not exist makes no room, and that rooms and memberships are bounded.
create or replace function public.chat_join(member uuid, room text, create_rooms boolean) returns json
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
declare
  r public.rooms;
  current_role_name text;
  created boolean := false;
begin
  perform edge_sockets.require_server();
  select * into r from public.rooms where id = chat_join.room;
  select rm.role into current_role_name from public.room_members rm where rm.room_id = r.id and rm.user_id = member;
  if current_role_name is not null then
    return edge_sockets.success(edge_sockets.view_json(r, current_role_name));
  elsif r.id is null and not (create_rooms and chat_join.room ~ '^(?!dm:)[A-Za-z0-9._:-]{1,128}$') then
    return edge_sockets.refusal('room_not_found');
  elsif r.kind <> 'public' then
    return edge_sockets.refusal('room_not_found');
  elsif not edge_sockets.user_exists(member) then
    return edge_sockets.refusal('forbidden');
  elsif edge_sockets.is_in_too_many(member, by_other => false) then
    return edge_sockets.refusal('unprocessable');
  end if;
  if r.id is null then
    if edge_sockets.made_too_many(member) then
      return edge_sockets.refusal('unprocessable');
    end if;
    insert into public.rooms (id, kind) values (chat_join.room, 'public') on conflict do nothing;
    created := found;
    if created then
      insert into edge_sockets.room_makers (room_id, user_id) values (chat_join.room, member);
    end if;
    select * into r from public.rooms where id = chat_join.room;
    if r.kind <> 'public' then -- Made by another in this moment.
      return edge_sockets.refusal('room_not_found');
    end if;
  end if;

  -- Locked first, as everywhere: what is added then is the head.
  perform from public.rooms where id = r.id for no key update;
  insert into public.room_members (room_id, user_id, role)
    values (r.id, member, case when created then 'owner' else 'member' end) on conflict do nothing;
  if found then
    select * into r from public.rooms where id = r.id;
    return edge_sockets.success(edge_sockets.view_json(r, case when created then 'owner' else 'member' end,
      edge_sockets.newest_event(r)));
  end if;
  return public.chat_join(member, chat_join.room, create_rooms);
end $$;

-- As before, but that memberships are bounded.
create or replace function edge_sockets.open_direct(member uuid, other uuid) returns json
language plpgsql set search_path = '' as $$
declare
  pair constant uuid[] := array[least(member, other), greatest(member, other)];
  direct_id constant text := 'dm:' || pair[1] || ':' || pair[2];
  r public.rooms;
begin
  if member = other then
    return edge_sockets.refusal('bad_request');
  end if;
  select * into r from public.rooms where id = direct_id;
  if r.id is null then
    if not (member = edge_sockets.system_user() or edge_sockets.user_exists(member))
      or not edge_sockets.user_exists(other)
    then
      return edge_sockets.refusal('not_found');
    elsif member <> edge_sockets.system_user()
      and (edge_sockets.is_in_too_many(member, by_other => false)
        or edge_sockets.is_in_too_many(other, by_other => true))
    then
      return edge_sockets.refusal('unprocessable');
    end if;
    insert into public.rooms (id, kind) values (direct_id, 'dm') on conflict do nothing;
    if found then
      insert into public.room_members (room_id, user_id)
        select direct_id, one from unnest(pair) as one where one <> edge_sockets.system_user();
    end if;
    select * into r from public.rooms where id = direct_id;
  end if;
  if member <> edge_sockets.system_user()
    and not exists (select from public.room_members rm where rm.room_id = r.id and rm.user_id = member)
  then
    return edge_sockets.refusal('room_not_found');
  end if;
  return edge_sockets.success(edge_sockets.view_json(r, 'member'));
end $$;

-- As before, but that rooms are counted by who made them.
create or replace function public.create_room(
  kind text, id text, name text default null, members uuid[] default '{}'
) returns public.rooms
language plpgsql security definer set search_path = '' as $$
declare
  everyone uuid[];
  created public.rooms;
begin
  everyone := case when edge_sockets.is_server() then members else edge_sockets.require_user() || members end;
  if create_room.kind not in ('public', 'private') or create_room.id !~ '^(?!dm:)[A-Za-z0-9._:-]{1,128}$'
    or cardinality(everyone) > edge_sockets.max_page()
  then
    perform edge_sockets.value_of(edge_sockets.refusal('bad_request'));
  elsif not (select coalesce(bool_and(edge_sockets.user_exists(u)), true) from unnest(everyone) u) then
    perform edge_sockets.value_of(edge_sockets.refusal('not_found'));
  elsif not edge_sockets.is_server() and edge_sockets.made_too_many(edge_sockets.require_user()) then
    perform edge_sockets.value_of(edge_sockets.refusal('unprocessable'));
  end if;
  -- A taken id is refused by the primary key.
  insert into public.rooms (id, kind, name) values (create_room.id, create_room.kind, create_room.name);
  insert into edge_sockets.room_makers (room_id, user_id)
    select create_room.id, edge_sockets.user_id() where not edge_sockets.is_server();
  insert into public.room_members (room_id, user_id, role)
    select create_room.id, u.id, case when min(u.place) = 1 then 'owner' else 'member' end
    from unnest(everyone) with ordinality as u (id, place) group by u.id order by min(u.place);
  select * into created from public.rooms r where r.id = create_room.id;
  return created;
end $$;

drop function edge_sockets.owns_too_many(uuid);

--
-- Writes: each counts, not messages alone
--

drop function edge_sockets.count_messages(jsonb);
alter function edge_sockets.max_messages_per_user() rename to max_writes_per_user;

-- Counts the writes of each user and gives those who made too many. It also locks the users, in the order of their
-- ids, so that two calls with one client_id follow each other whatever rooms they write to.
create function edge_sockets.count_writes(writes jsonb) returns uuid[]
language plpgsql set search_path = '' as $$
declare
  limited uuid[];
begin
  with made as (
    select (w #>> '{actor,id}')::uuid as user_id, count(*)::integer as writes
    from jsonb_array_elements(count_writes.writes) w group by 1 order by 1
  ), counted as (
    insert into edge_sockets.message_rates as rate (user_id, window_start, sent)
    select user_id, clock_timestamp(), made.writes from made order by user_id
    on conflict (user_id) do update set
      sent = excluded.sent
        + case when rate.window_start > excluded.window_start - interval '10 seconds' then rate.sent else 0 end,
      window_start = case when rate.window_start > excluded.window_start - interval '10 seconds'
        then rate.window_start else excluded.window_start end
    returning rate.user_id, rate.sent
  )
  select coalesce(array_agg(user_id), '{}') into limited from counted
    where sent > edge_sockets.max_writes_per_user() and user_id <> edge_sockets.system_user();
  return limited;
end $$;

-- As before, but that no write of who made too many is stored.
create or replace function edge_sockets.post_all(writes jsonb, limited uuid[], moment timestamptz(3)) returns json
language plpgsql set search_path = '' as $$
declare
  write jsonb;
  messages jsonb[] := '{}';
  results json[] := '{}';
begin
  if not jsonb_path_exists(writes, '$[*] ? (@.kind != "message")') then
    return edge_sockets.post_messages(writes, limited, moment);
  end if;
  for write in select value from jsonb_array_elements(writes || '[null]') loop
    if write ->> 'kind' = 'message' then
      messages := array_append(messages, write);
      continue;
    end if;
    if messages <> '{}' then
      results := results || array(
        select json_array_elements(edge_sockets.post_messages(to_jsonb(messages), limited, moment))
      );
      messages := '{}';
    end if;
    if write = 'null' then
      continue;
    end if;
    results := array_append(results, case when (write #>> '{actor,id}')::uuid = any (limited)
      then edge_sockets.refusal('rate_limited') else edge_sockets.post_change(write, moment) end);
  end loop;
  return array_to_json(results);
end $$;

-- As before, but that every write counts.
create or replace function edge_sockets.post(writes jsonb) returns json
language plpgsql set search_path = ''
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  limited constant uuid[] := edge_sockets.count_writes(writes);
  moment timestamptz(3);
  write jsonb;
  results json[] := '{}';
begin
  perform edge_sockets.lock_rooms(writes);
  moment := clock_timestamp();
  begin
    return edge_sockets.post_all(writes, limited, moment);
  exception when others then
    -- Not a matter of what was written: the caller tries again.
    if sqlstate ~ '^(40|53|55|57|58|XX)' then
      raise;
    end if;
  end;
  -- A trigger or a constraint that is not ours refuses one of them: the others are stored all the same.
  for write in select value from jsonb_array_elements(writes) loop
    begin
      results := array_append(results, edge_sockets.post_all(jsonb_build_array(write), limited, moment) -> 0);
    exception when others then
      if sqlstate ~ '^(40|53|55|57|58|XX)' then
        raise;
      end if;
      results := array_append(results, edge_sockets.refusal('unprocessable'));
    end;
  end loop;
  return array_to_json(results);
end $$;

--
-- Names: by REST as by the socket
--

-- What the caller is called by his token; not by his e-mail address, which some identity providers put there.
create function edge_sockets.caller_name() returns text
language plpgsql stable set search_path = '' as $$
declare
  claims constant jsonb := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
begin
  return (
    select left(btrim(one.name), 100)
    from unnest(array['name', 'full_name', 'user_name']) with ordinality as member (key, place)
    cross join lateral (select claims -> 'user_metadata' ->> member.key as name) as one
    where btrim(one.name) <> '' and one.name is distinct from claims ->> 'email'
    order by member.place limit 1
  );
end $$;

-- As before, but for the name, and that data is not too deep.
create or replace function public.send_message(
  room text, body text, client_id text default null, subject text default null, reply_to uuid default null,
  data jsonb default null
) returns public.messages
language plpgsql security definer set search_path = '' as $$
declare
  caller constant uuid := edge_sockets.require_user();
  answer json;
  sent public.messages;
begin
  if edge_sockets.is_deep(data) then
    perform edge_sockets.value_of(edge_sockets.refusal('bad_request'));
  end if;
  answer := edge_sockets.post(jsonb_build_array(jsonb_build_object(
    'kind', 'message', 'actor', jsonb_build_object('id', caller, 'name', edge_sockets.caller_name()),
    'room', send_message.room, 'body', send_message.body, 'client_id', send_message.client_id,
    'subject', send_message.subject, 'reply_to', send_message.reply_to, 'data', send_message.data
  ))) -> 0;
  select * into sent from public.messages m where m.id = (edge_sockets.value_of(answer) ->> 'id')::uuid;
  return sent;
end $$;

--
-- The bus: Realtime's topics of the server's own
--

-- A policy that lets users hear or send on every topic, as guides have it, must not let them onto these: what comes over
-- them is taken for the server's own.
create or replace function edge_sockets.hint() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform realtime.send(jsonb_build_object('room', r.id, 'seq', grown.seq, 'epoch', r.epoch), 'grown',
    'edge-sockets:room:' || r.id, true)
    from (select room_id, max(seq) as seq from added group by room_id) as grown
    join public.rooms r on r.id = grown.room_id;
  return null;
exception when others then
  raise warning 'No hint was sent to Realtime: %', sqlerrm;
  return null;
end $$;

do $$ begin
  if to_regclass('realtime.messages') is not null then
    create policy edge_sockets_topics on realtime.messages as restrictive for all to anon, authenticated
      using (not starts_with(coalesce(realtime.topic(), ''), 'edge-sockets:'))
      with check (not starts_with(coalesce(realtime.topic(), ''), 'edge-sockets:'));
  end if;
end $$;

--
-- Who may call what
--

revoke all on edge_sockets.room_makers from public, anon, authenticated, service_role;
revoke all on function edge_sockets.max_rooms_per_member() from public, anon, authenticated, service_role;
revoke all on function edge_sockets.max_rooms_by_others() from public, anon, authenticated, service_role;
revoke all on function edge_sockets.is_deep(jsonb) from public, anon, authenticated, service_role;
revoke all on function edge_sockets.made_too_many(uuid) from public, anon, authenticated, service_role;
revoke all on function edge_sockets.is_in_too_many(uuid, boolean) from public, anon, authenticated, service_role;
revoke all on function edge_sockets.bound_memberships() from public, anon, authenticated, service_role;
revoke all on function edge_sockets.count_writes(jsonb) from public, anon, authenticated, service_role;
revoke all on function edge_sockets.caller_name() from public, anon, authenticated, service_role;
-- Called by a constraint of messages.
grant execute on function edge_sockets.is_deep(jsonb) to service_role;
