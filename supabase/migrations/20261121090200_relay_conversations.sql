-- Conversations of the relay with OpenAI, from which they are rebuilt after a hand-over or a kill. Text only, for an hour.

create table public.relay_conversations (
  user_id uuid not null,
  -- What the client calls it.
  session_id text collate "C" not null check (session_id ~ '^[A-Za-z0-9_-]{1,128}$'),
  -- Of several connections the one that may write.
  owner uuid not null,
  -- As JSON, which may hold what jsonb does not: \u0000 and half a surrogate pair.
  config json,
  due json not null default '[]',
  pending json not null default '[]',
  last_end json,
  told boolean not null default true,
  created_at timestamptz(3) not null default now(),
  saved_at timestamptz(3) not null default now(),
  primary key (user_id, session_id)
);
comment on table public.relay_conversations is 'A conversation through the relay that can be gone on with for an hour.';
create index on public.relay_conversations (saved_at);

create table public.relay_conversation_items (
  user_id uuid not null,
  session_id text collate "C" not null,
  item_id text collate "C" not null,
  -- Where it stands: places grow along the conversation.
  place double precision not null,
  -- What the model knows of it; null for what cannot be rebuilt.
  item json,
  -- Whose words they are; null for what is no message.
  role text,
  audio_ms double precision not null default 0,
  primary key (user_id, session_id, item_id),
  foreign key (user_id, session_id) references public.relay_conversations on delete cascade
);
comment on table public.relay_conversation_items is 'What was said in a conversation through the relay, and what was called.';

do $$ begin
  if to_regclass('auth.users') is not null then
    alter table public.relay_conversations add foreign key (user_id) references auth.users (id) on delete cascade;
  end if;
end $$;

-- How long one is kept after it was saved to last, and how many one user may have; replace a function to change one.
create function edge_sockets.conversation_kept() returns interval language sql immutable return interval '1 hour';
create function edge_sockets.max_conversations_per_user() returns integer language sql immutable return 20;

-- Makes `holder` the owner of a conversation and gives it; an empty one where there is none.
create function public.relay_claim_conversation(member uuid, session text, holder uuid) returns json
language plpgsql security definer set search_path = '' as $$
declare
  expired constant timestamptz := now() - edge_sockets.conversation_kept();
  found_one public.relay_conversations;
begin
  perform edge_sockets.require_server();
  -- Nobody comes for these any more. Not all at once: the next call goes on.
  delete from public.relay_conversations c using (
    select x.user_id, x.session_id from public.relay_conversations x where x.saved_at < expired
    order by x.saved_at limit 100 for update skip locked
  ) as old where c.user_id = old.user_id and c.session_id = old.session_id;
  delete from public.relay_conversations c where c.user_id = member and c.session_id = session and c.saved_at < expired;

  select * into found_one from public.relay_conversations c where c.user_id = member and c.session_id = session for update;
  insert into public.relay_conversations (user_id, session_id, owner) values (member, session, holder)
    on conflict (user_id, session_id) do update set owner = excluded.owner, told = false, saved_at = now();
  update public.relay_conversations c set told = false where c.user_id = member and c.session_id = session and c.told;
  delete from public.relay_conversations c where c.user_id = member and c.session_id in (
    select x.session_id from public.relay_conversations x where x.user_id = member
    order by x.session_id = session desc, x.saved_at desc offset edge_sockets.max_conversations_per_user()
  );
  return json_build_object(
    'config', found_one.config,
    'due', coalesce(found_one.due, '[]'),
    'pending', coalesce(found_one.pending, '[]'),
    'last_end', found_one.last_end,
    'told', coalesce(found_one.told, true),
    'items', (
      select coalesce(json_agg(
        json_build_object('id', i.item_id, 'place', i.place, 'item', i.item, 'audio_ms', i.audio_ms) order by i.place), '[]')
      from public.relay_conversation_items i where i.user_id = member and i.session_id = session
    )
  );
end $$;

-- Changes a conversation, all or nothing; false where `holder` does not own it. JSON to be kept comes as texts.
create function public.relay_save_conversation(member uuid, session text, holder uuid, changes jsonb) returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  perform edge_sockets.require_server();
  update public.relay_conversations c set
    saved_at = now(),
    config = case when changes ? 'config' then (changes ->> 'config')::json else c.config end,
    due = case when changes ? 'due' then (changes ->> 'due')::json else c.due end,
    pending = case when changes ? 'pending' then (changes ->> 'pending')::json else c.pending end,
    last_end = case when changes ? 'last_end' then (changes ->> 'last_end')::json else c.last_end end,
    told = coalesce((changes ->> 'told')::boolean, c.told)
  where c.user_id = member and c.session_id = session and c.owner = holder
    and c.saved_at >= now() - edge_sockets.conversation_kept();
  if not found then
    return false;
  end if;
  delete from public.relay_conversation_items i
    where i.user_id = member and i.session_id = session
      and i.item_id in (select jsonb_array_elements_text(coalesce(changes -> 'remove', '[]')));
  insert into public.relay_conversation_items as i (user_id, session_id, item_id, place, item, role, audio_ms)
    select member, session, x ->> 'id', (x ->> 'place')::double precision, (x ->> 'item')::json, x ->> 'role',
      (x ->> 'audio_ms')::double precision
    from jsonb_array_elements(coalesce(changes -> 'put', '[]')) as x
    on conflict (user_id, session_id, item_id) do update
      set place = excluded.place, item = excluded.item, role = excluded.role, audio_ms = excluded.audio_ms;
  return true;
end $$;

create function public.relay_remove_conversation(member uuid, session text, holder uuid) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform edge_sockets.require_server();
  delete from public.relay_conversations c where c.user_id = member and c.session_id = session and c.owner = holder;
end $$;

--
-- Who may see and delete what: users their own conversations, and what was said in them. How the session is configured, and
-- what was called, is the server's matter.
--

alter table public.relay_conversations enable row level security;
alter table public.relay_conversation_items enable row level security;
create policy "relay_conversations: one's own" on public.relay_conversations for select to authenticated
  using (user_id = (select edge_sockets.user_id()));
create policy "relay_conversations: delete one's own" on public.relay_conversations for delete to authenticated
  using (user_id = (select edge_sockets.user_id()));
create policy "relay_conversation_items: what was said in one's own" on public.relay_conversation_items
  for select to authenticated
  using (user_id = (select edge_sockets.user_id()) and role in ('user', 'assistant'));

revoke all on public.relay_conversations, public.relay_conversation_items from public, anon, authenticated, service_role;
grant select (user_id, session_id, created_at, saved_at), delete on public.relay_conversations to authenticated;
grant select on public.relay_conversation_items to authenticated;
grant select, delete on public.relay_conversations, public.relay_conversation_items to service_role;

revoke all on function edge_sockets.conversation_kept() from public, anon, authenticated, service_role;
revoke all on function edge_sockets.max_conversations_per_user() from public, anon, authenticated, service_role;
revoke all on function public.relay_claim_conversation(uuid, text, uuid) from public, anon, authenticated, service_role;
revoke all on function public.relay_save_conversation(uuid, text, uuid, jsonb)
  from public, anon, authenticated, service_role;
revoke all on function public.relay_remove_conversation(uuid, text, uuid) from public, anon, authenticated, service_role;
grant execute on function public.relay_claim_conversation(uuid, text, uuid) to service_role;
grant execute on function public.relay_save_conversation(uuid, text, uuid, jsonb) to service_role;
grant execute on function public.relay_remove_conversation(uuid, text, uuid) to service_role;
