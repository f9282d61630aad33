from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from reviewhub.chunked import Counted

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewhub.settings")
application = Counted(get_wsgi_application())
