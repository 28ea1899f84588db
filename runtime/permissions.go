// # Permissions
//
// A user whose permissions are restricted needs, for each operation, to publish to the subjects
// below, and to subscribe to the inboxes of the connection: _INBOX.>, or what nats.CustomInboxPrefix
// says, with .> after it. Nothing else is published or subscribed to.
//
// BUCKET is the bucket's name on the server, KEY a key as NATS sees it, and FILTER the keys that a
// filter selects: order.acme.* for one tenant's, order.*.* for all of a pattern. With an API prefix
// or a domain, its prefix stands in place of $JS.API, and also before the subjects that begin with
// $KV: $JS.hub.API.$KV.BUCKET.KEY. A mirror's entries have the name of its origin after $KV, and keys
// are read with it.
//
//	Open, Status, Drift, KeyValue
//	    $JS.API.STREAM.INFO.KV_BUCKET
//	Ensure
//	    $JS.API.STREAM.INFO.KV_BUCKET
//	Ensure that creates
//	    $JS.API.STREAM.INFO.KV_BUCKET
//	    $JS.API.STREAM.CREATE.KV_BUCKET
//	Ensure that changes
//	    $JS.API.STREAM.INFO.KV_BUCKET
//	    $JS.API.STREAM.UPDATE.KV_BUCKET
//	Get
//	    $JS.API.DIRECT.GET.KV_BUCKET.$KV.BUCKET.KEY
//	    ($JS.API.STREAM.MSG.GET.KV_BUCKET)
//	        without it, with several replicas, a read may be older than a write of the same handle
//	Get with AtLeast
//	    $JS.API.DIRECT.GET.KV_BUCKET.$KV.BUCKET.KEY
//	    $JS.API.STREAM.INFO.KV_BUCKET
//	    $JS.API.STREAM.MSG.GET.KV_BUCKET
//	    ($JS.API.DIRECT.GET.KV_BUCKET)
//	        without it, the leader is asked more often
//	Get with Linearizable
//	    $KV.BUCKET.=kvgen
//	    $JS.API.DIRECT.GET.KV_BUCKET
//	GetRevision
//	    one of $JS.API.DIRECT.GET.KV_BUCKET
//	        or $JS.API.STREAM.MSG.GET.KV_BUCKET
//	History, Watch of one key, Cache of one key
//	    $JS.API.STREAM.INFO.KV_BUCKET
//	    $JS.API.CONSUMER.CREATE.KV_BUCKET.*.$KV.BUCKET.KEY
//	    $JS.API.CONSUMER.MSG.NEXT.KV_BUCKET.*
//	    ($JS.API.CONSUMER.DELETE.KV_BUCKET.*)
//	        without it, the server keeps the consumer for a minute
//	    ($JS.API.STREAM.MSG.GET.KV_BUCKET)
//	        without it, beside busy writers, the end of a listing or first copy is found later
//	    ($JS.API.DIRECT.GET.KV_BUCKET)
//	        without it, beside busy writers, the end of a listing or first copy is found later
//	Keys, List, Count, Watch, Cache
//	    $JS.API.STREAM.INFO.KV_BUCKET
//	    $JS.API.CONSUMER.CREATE.KV_BUCKET.*.$KV.BUCKET.FILTER
//	    $JS.API.CONSUMER.MSG.NEXT.KV_BUCKET.*
//	    ($JS.API.CONSUMER.DELETE.KV_BUCKET.*)
//	        without it, the server keeps the consumer for a minute
//	    ($JS.API.STREAM.MSG.GET.KV_BUCKET)
//	        without it, beside busy writers, the end of a listing or first copy is found later
//	    ($JS.API.DIRECT.GET.KV_BUCKET)
//	        without it, beside busy writers, the end of a listing or first copy is found later
//	Watch of the bucket
//	    $JS.API.STREAM.INFO.KV_BUCKET
//	    $JS.API.CONSUMER.CREATE.KV_BUCKET.*.$KV.BUCKET.>
//	    $JS.API.CONSUMER.MSG.NEXT.KV_BUCKET.*
//	    ($JS.API.CONSUMER.DELETE.KV_BUCKET.*)
//	        without it, the server keeps the consumer for a minute
//	    ($JS.API.STREAM.MSG.GET.KV_BUCKET)
//	        without it, beside busy writers, the end of a listing or first copy is found later
//	    ($JS.API.DIRECT.GET.KV_BUCKET)
//	        without it, beside busy writers, the end of a listing or first copy is found later
//	Compact
//	    $JS.API.STREAM.INFO.KV_BUCKET
//	    $JS.API.CONSUMER.CREATE.KV_BUCKET.*.$KV.BUCKET.>
//	    $JS.API.CONSUMER.MSG.NEXT.KV_BUCKET.*
//	    $JS.API.STREAM.PURGE.KV_BUCKET
//	    ($JS.API.CONSUMER.DELETE.KV_BUCKET.*)
//	        without it, the server keeps the consumer for a minute
//	    ($JS.API.STREAM.MSG.GET.KV_BUCKET)
//	        without it, beside busy writers, the end of a listing or first copy is found later
//	    ($JS.API.DIRECT.GET.KV_BUCKET)
//	        without it, beside busy writers, the end of a listing or first copy is found later
//	Put, Delete, Purge
//	    $KV.BUCKET.KEY
//	Update, Delete and Purge with IfRevision
//	    $KV.BUCKET.KEY
//	    ($JS.API.STREAM.MSG.GET.KV_BUCKET)
//	        without it, a write whose answer got lost may end as ErrUnknownOutcome
//	Create, GetOrCreate
//	    $KV.BUCKET.KEY
//	    one of $JS.API.STREAM.MSG.GET.KV_BUCKET
//	        or $JS.API.DIRECT.GET.KV_BUCKET.$KV.BUCKET.KEY
//	Modify
//	    $KV.BUCKET.KEY
//	    $JS.API.DIRECT.GET.KV_BUCKET.$KV.BUCKET.KEY
//	    ($JS.API.STREAM.MSG.GET.KV_BUCKET)
//	        without it, what ends without a write is decided on the answer of any replica
//
// A transaction needs what its reads need and the subject of each key that it writes; of a key that
// it only reads, $KV.BUCKET.=kvgen. Reading several keys at a time takes DIRECT.GET.KV_BUCKET, and
// without it reads them one by one.
//
// What is sent to single keys can be granted for single keys, or for patterns such as
// $KV.BUCKET.order.acme.>: writes, plain reads, and listings and watches of a filter. These cannot,
// since the key is not in the subject: STREAM.INFO, which shows settings and size but no key or value;
// CONSUMER.MSG.NEXT, which gives what a consumer is made for to whoever knows its random name;
// DIRECT.GET.KV_BUCKET and STREAM.MSG.GET, which read any key, and so AtLeast, Linearizable and
// GetRevision; and STREAM.PURGE, which removes any, and so Compact.
//
// What the server refuses ends as ErrPermission, which names the subject, after some 100 ms: the
// server tells a refusal to the connection and not to the request. See ErrorHandler.
package kvrt
