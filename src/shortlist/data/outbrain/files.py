"""The files of Outbrain's Click Prediction, as Kaggle has them: https://www.kaggle.com/c/outbrain-click-prediction."""

from __future__ import annotations

CLICKS = "clicks_train.csv"
"""display_id, ad_id, clicked: the ads of each display, one of which was clicked."""
EVENTS = "events.csv"
"""display_id, uuid, document_id, timestamp (ms since the first day), platform, geo_location: who saw it where."""
ADS = "promoted_content.csv"
"""ad_id, document_id, campaign_id, advertiser_id."""
META = "documents_meta.csv"
"""document_id, source_id, publisher_id, publish_time."""
TOPICS = "documents_topics.csv"
"""document_id, topic_id, confidence_level."""
ENTITIES = "documents_entities.csv"
"""document_id, entity_id, confidence_level."""
CATEGORIES = "documents_categories.csv"
"""document_id, category_id, confidence_level."""
VIEWS = "page_views_sample.csv"
"""uuid, document_id, timestamp (as that of events), platform, geo_location, traffic_source: what users read."""
ALL_VIEWS = "page_views.csv"
"""The same of all users, two billion rows; it is read instead of the sample where it is there."""
REQUIRED = (CLICKS, EVENTS, ADS, META, TOPICS, ENTITIES, CATEGORIES)
"""What there must be beside the page views, of which one file or the other."""

DAY_MS = 86_400_000
FIRST_DAY_MS = 1_465_876_799_998
"""What to add to a timestamp for Unix milliseconds: the log begins at midnight in New York, on Tuesday 2016-06-14."""
DAYS = 13
"""Days of the displays whose clicks are known."""
