//! The rows of a library in order, and a library that is filled row by row.

use async_trait::async_trait;
use tokio_postgres::types::Type;

use super::super::StateError;
use super::super::moving::{PAGE, Page, StateRows};
use super::PostgresState;
use super::fault::Fault;
use super::format::{self, Format, Head};
use super::rows::Position;
use super::shape;
use super::turn::{For, Turn, within};
use crate::state::Serial;
use crate::state::moving::{Copying, Standing};
use crate::state::row::{Row, Table};

impl Position {
    fn to_text(&self) -> String {
        match self {
            Self::Key(key) => format!("key {}", hex::encode(key)),
            Self::Number(number) => format!("number {number}"),
        }
    }

    fn parse(text: &str) -> Result<Self, Fault> {
        let position = match text.split_once(' ') {
            Some(("key", key)) => hex::decode(key).ok().map(Self::Key),
            Some(("number", number)) => number.parse().ok().map(Self::Number),
            _ => None,
        };
        position.ok_or_else(|| Fault::Damaged(format!("{text:?} is no place in a table")))
    }
}

impl PostgresState {
    async fn page_once(&self, table: Table, after: Option<&str>) -> Result<Page, Fault> {
        let after = after.map(Position::parse).transpose()?;
        let (turn, head) = self.begin_reading().await?;
        let found = match &head {
            Some(head) => turn.rows(head).page(table, after.as_ref(), PAGE).await,
            None => Ok((Vec::new(), None)),
        };
        let (rows, last) = turn.end(found).await?;
        Ok(Page { rows, last: last.as_ref().map(Position::to_text) })
    }

    async fn begin_copy_once(&self, of: &Standing, copying: &Copying) -> Result<(), Fault> {
        let (mut turn, head) = self.begin_writing().await?;
        turn.session.is_seen = false;
        let begun = begin_copy(&turn, head, of, copying).await;
        turn.end(begun).await
    }

    async fn copy_rows_once(&self, table: Table, rows: &[Row], copying: &Copying) -> Result<(), Fault> {
        let (turn, head) = self.begin_writing().await?;
        let copied = async {
            turn.rows(&head).put(table, rows).await?;
            Head { copying: Some(copying.to_text()), ..head }.write(&turn.client, &turn.schema).await
        };
        let copied = copied.await;
        turn.end(copied).await
    }

    /// Writes the head as `change` makes it.
    async fn change_head(&self, change: impl FnOnce(Head) -> Head + Send) -> Result<(), Fault> {
        let (turn, head) = self.begin_writing().await?;
        let written = change(head).write(&turn.client, &turn.schema).await;
        turn.end(written).await
    }

    async fn delete_once(&self) -> Result<(), Fault> {
        let mut turn = Turn::begin(self, For::Writing).await?;
        let Some(head) = turn.found(self, true).await? else { return turn.end(Ok(())).await };
        turn.session.is_seen = false;
        let deleted = async {
            turn.rows(&head).clear().await?;
            let delete = format!("DELETE FROM {}.libraries WHERE id = $1", self.schema);
            turn.client.execute_typed(&delete, &[(&head.number, Type::INT4)]).await?;
            Ok(())
        };
        let deleted = deleted.await;
        turn.end(deleted).await
    }

    /// Makes everything that is missing, and takes it back.
    async fn rehearse_once(&self) -> Result<(), Fault> {
        let mut turn = Turn::begin(self, For::Writing).await?;
        if format::look(&turn.client, &self.schema, &self.place).await? != Format::Current {
            format::prepare(&turn.client, &self.schema, &self.place).await?;
        }
        let rehearsed = "rehearsal of a library";
        format::make(&turn.client, &self.schema, rehearsed, "none").await?;
        if let Some(head) = format::head(&turn.client, &self.schema, rehearsed, true).await? {
            turn.rows(&head).clear().await?;
        }
        // It goes with its connection, which undoes all of it.
        turn.session.is_prepared = false;
        Ok(())
    }
}

async fn begin_copy(turn: &Turn, head: Head, of: &Standing, copying: &Copying) -> Result<(), Fault> {
    turn.rows(&head).clear().await?;
    let head = Head {
        lineage: of.lineage.clone(),
        serial: shape::signed(of.serial.0)?,
        run: of.run.clone(),
        mark: of.mark.clone(),
        targets: of.targets,
        moved_to: None,
        copying: Some(copying.to_text()),
        ..head
    };
    head.write(&turn.client, &turn.schema).await
}

fn standing(head: Head) -> Result<Standing, Fault> {
    let unreadable = || Fault::Damaged("how far its copy is cannot be read".to_owned());
    let copying = head.copying.as_deref().map(|text| Copying::parse(text).ok_or_else(unreadable)).transpose()?;
    Ok(Standing {
        library: head.library,
        lineage: head.lineage,
        serial: Serial(shape::unsigned(head.serial)?),
        run: head.run,
        mark: head.mark,
        targets: head.targets,
        moved_to: head.moved_to,
        copying,
    })
}

#[async_trait]
impl StateRows for PostgresState {
    async fn standing(&self) -> Result<Option<Standing>, StateError> {
        let found = async {
            let (turn, head) = self.begin_reading().await?;
            turn.end(head.map(standing).transpose()).await
        };
        within(found).await.map_err(|fault| fault.at(&self.place))
    }

    async fn page(&self, table: Table, after: Option<&str>) -> Result<Page, StateError> {
        within(self.page_once(table, after)).await.map_err(|fault| fault.at(&self.place))
    }

    async fn count(&self, table: Table) -> Result<u64, StateError> {
        let count = async {
            let (turn, head) = self.begin_reading().await?;
            let found = match &head {
                Some(head) => turn.rows(head).count(table).await,
                None => Ok(0),
            };
            turn.end(found).await
        };
        within(count).await.map_err(|fault| fault.at(&self.place))
    }

    async fn begin_copy(&self, of: &Standing, copying: &Copying) -> Result<(), StateError> {
        within(self.begin_copy_once(of, copying)).await.map_err(|fault| fault.at(&self.place))
    }

    async fn copy_rows(&self, table: Table, rows: Vec<Row>, copying: &Copying) -> Result<(), StateError> {
        within(self.copy_rows_once(table, &rows, copying)).await.map_err(|fault| fault.at(&self.place))
    }

    async fn end_copy(&self) -> Result<(), StateError> {
        let ended = self.change_head(|head| Head { copying: None, ..head });
        within(ended).await.map_err(|fault| fault.at(&self.place))
    }

    async fn mark_moved(&self, to: &str) -> Result<(), StateError> {
        let to = to.to_owned();
        let marked = self.change_head(|head| Head { moved_to: Some(to), ..head });
        within(marked).await.map_err(|fault| fault.at(&self.place))
    }

    async fn rehearse(&self) -> Result<(), StateError> {
        within(self.rehearse_once()).await.map_err(|fault| fault.at(&self.place))
    }

    async fn delete(&self) -> Result<(), StateError> {
        within(self.delete_once()).await.map_err(|fault| fault.at(&self.place))
    }
}
