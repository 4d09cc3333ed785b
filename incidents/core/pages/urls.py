from django.urls import path

from incidents.core.pages import accounts, declaring, incidents, moves, profile

urlpatterns = [
    path("", incidents.front, name="front"),
    path("i/", incidents.home, name="home"),
    path("i/resolved/", incidents.resolved, name="resolved"),
    path("i/declare/", declaring.declare, name="declare"),
    path("i/<str:reference>/", incidents.incident, name="incident"),
    path("i/<str:reference>/<slug:verb>/", moves.act, name="move"),
    path("me/", profile.profile, name="profile"),
    path("me/tokens/new/", profile.new_token, name="profile-token-new"),
    path("me/tokens/<int:pk>/revoke/", profile.revoke_token, name="profile-token-revoke"),
    # Accounts
    path("login/", accounts.log_in, name="login"),
    path("logout/", accounts.Logout.as_view(), name="logout"),
    path("welcome/<uidb64>/<token>/", accounts.welcome, name="welcome"),
    path("forgotten/", accounts.forgotten, name="forgotten"),
    path("me/password/", accounts.password, name="password"),
]
