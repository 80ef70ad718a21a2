"""Channels: the pub/sub layer, which forgets nothing it should and deafens after no restart."""

from tradingsite import env

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [env.redis_live_url()]},
    }
}
