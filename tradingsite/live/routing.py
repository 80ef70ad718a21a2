"""The address of the socket."""

from django.urls import path

from tradingsite.live.consumers import LiveConsumer

websocket_urlpatterns = [path("ws/live/", LiveConsumer.as_asgi())]
